"""What a pre-trained HD-VILA is measured by: text-to-video retrieval and question answering."""

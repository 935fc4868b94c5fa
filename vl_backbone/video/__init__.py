"""Videos as HD-VILA reads them: which frames, and at which size."""

"""Many rows at once: a manifest in, pictures and a ledger out, resumable after any kind of end."""

"""regrow against the real Elixir: scenarios that run on both, and the traces that have to be equal. See README.md."""

"""Passes in the wallets of phones: a copy of what people have, brought up to date and never believed."""

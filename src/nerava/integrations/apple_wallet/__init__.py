"""Apple Wallet: signed passes, and pushes to the phones that have them."""

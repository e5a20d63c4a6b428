"""Google Wallet: links that save a pass, and objects that are brought up to date."""

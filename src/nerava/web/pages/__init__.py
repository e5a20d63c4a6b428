"""The few pages that need a browser and no account: what a link of ours leads to."""

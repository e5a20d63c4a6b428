"""Campaigns, the rules by which sessions earn, and the grants they lead to."""

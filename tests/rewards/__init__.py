"""Campaigns, rules, evaluation and the way from a closed session to a posted reward."""

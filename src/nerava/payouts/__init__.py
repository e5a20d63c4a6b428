"""Payouts: who is paid how, cash-outs of drivers and merchants, and what became of each."""

"""Merchants: sites, offers, redemptions, offer codes, settlement and invoices."""

"""The ledger and its referees: the oracle, the state machine, the history checkers."""

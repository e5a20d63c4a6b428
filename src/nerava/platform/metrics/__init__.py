"""What is measured: each process counts what it does itself, and reads out what the database knows."""

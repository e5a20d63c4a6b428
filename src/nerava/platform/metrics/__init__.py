"""What is measured: each process counts what it does itself, and reads out what the database knows.

The meter itself lies in `meter`, which loads the Prometheus client: nobody but who measures imports it.
"""

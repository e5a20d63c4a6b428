"""What the pages for people share: how they are guarded, filled from the API, drawn, and refused."""

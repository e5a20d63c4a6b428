"""What providers tell us: verified, stored, answered, worked on later in any order, any number of times."""

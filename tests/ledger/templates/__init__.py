"""Golden examples of the posting templates, and the stage they are played on."""

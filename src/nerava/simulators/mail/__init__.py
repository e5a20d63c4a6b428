"""A simulated Amazon SES, a server that takes mail by SMTP, and a page that shows the mailboxes of both."""

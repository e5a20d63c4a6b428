"""Mail: by SMTP, or by Amazon SES."""

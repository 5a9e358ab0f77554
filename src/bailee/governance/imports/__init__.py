"""Dated records from elsewhere: each under the version that was in force when it was submitted."""

"""PostgreSQL 16 or newer, through SQLAlchemy Core and asyncpg."""

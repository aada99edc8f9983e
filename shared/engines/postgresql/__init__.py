"""PostgreSQL, of any vendor that keeps its protocol and its catalogs."""

"""MySQL and MariaDB: one family, told apart by what the server and the client say of themselves."""

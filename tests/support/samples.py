"""Two databases that hold what is hard to dump, to check and to compare; the rows are the same in every run."""

EMOJI = "🚀 Rocket 💡 Idea 🎉 🌍🔥❤️👍🏽 ñ漢 'quo\"te' back\\\\slash"

MARIADB_SAMPLE: tuple[str, ...] = (
    "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'",
    """CREATE TABLE customers (
        id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        name VARCHAR(200) NOT NULL,
        email VARCHAR(190) COLLATE utf8mb4_bin NULL UNIQUE,
        tier ENUM('free','pro','ente''rprise') NOT NULL DEFAULT 'free',
        likes SET('a','b','c d') NULL,
        flags BIT(5) NULL,
        balance DECIMAL(20,6) NULL,
        rating DOUBLE NULL,
        ratio FLOAT NULL,
        profile JSON NULL,
        picture LONGBLOB NULL,
        fingerprint BINARY(16) NULL,
        token VARBINARY(40) NULL,
        born DATE NOT NULL DEFAULT '0000-00-00',
        seen_at DATETIME(6) NULL,
        created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
        woken TIME(3) NULL,
        since YEAR NULL,
        place POINT NULL,
        note LONGTEXT NULL,
        greeting VARCHAR(220) AS (CONCAT('Hi ', name)) VIRTUAL
    ) ENGINE=InnoDB COMMENT='people; ''quoted'' 🚀'""",
    "INSERT INTO customers (name, email, tier, likes, flags, balance, rating, ratio, profile, picture, fingerprint,"
    " token, born, seen_at, created_at, woken, since, place, note) VALUES"
    f" ('{EMOJI.replace(chr(39), chr(39) * 2)}', 'a@example.org', 'ente''rprise', 'a,c d', b'10101',"
    " 12345678901234.567890, 0.1, 1.1, '{\"a\": [1, null, \"🚀\"]}', X'00FF27225C0A0D1A00',"
    " X'00112233445566778899AABBCCDDEEFF',"
    " X'FFFE8027005C0A0D1A', '2024-00-00', '2024-02-29 23:59:59.123456', '2024-03-31 01:30:00.123', '-12:34:56.789',"
    " 2024, ST_GeomFromText('POINT(1.5 -2.25)'), '-- Dump completed on 2020-01-01\\n\\nCREATE TABLE `fake` (')",
    "INSERT INTO customers (name, email) VALUES ('', NULL), ('NULL', 'null@example.org'), (' ', ' '), ('a|b', '|')",
    "INSERT INTO customers (name, email, rating, ratio, balance, note) SELECT CONCAT('customer ', seq),"
    " CONCAT('c', seq, '@example.org'), seq / 7, seq / 3, seq / 11, REPEAT('x\\'\\\\\"\\n', seq) FROM seq_1_to_500",
    """CREATE TABLE orders (
        id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
        customer_id INT UNSIGNED NOT NULL,
        quantity INT NOT NULL,
        price DECIMAL(12,4) NOT NULL,
        total DECIMAL(20,4) AS (quantity * price) STORED,
        state VARCHAR(20) NOT NULL DEFAULT 'new',
        KEY by_state (state),
        CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id),
        CONSTRAINT some_quantity CHECK (quantity > 0)
    ) ENGINE=InnoDB""",
    "INSERT INTO orders (customer_id, quantity, price) SELECT 1 + seq MOD 300, 1 + seq MOD 7, seq / 13"
    " FROM seq_1_to_2000",
    "CREATE TABLE order_log (order_id BIGINT NOT NULL, said VARCHAR(50) NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE twins (a INT NULL, b VARCHAR(10) NULL) ENGINE=InnoDB",
    "INSERT INTO twins VALUES (1, 'x'), (1, 'x'), (NULL, 'x'), (NULL, NULL), (1, NULL), (1, NULL)",
    "CREATE TABLE empty_table (id INT PRIMARY KEY) ENGINE=InnoDB",
    'CREATE TABLE `select` (`from` INT PRIMARY KEY, `a b` VARCHAR(20), `q"` VARCHAR(20), `ti``ck` VARCHAR(20))'
    " ENGINE=InnoDB",
    "INSERT INTO `select` VALUES (1, 'a', 'b', 'c'), (2, NULL, '', 'ü')",
    "CREATE TABLE `t'x;drop` (id INT PRIMARY KEY, v VARCHAR(10)) ENGINE=InnoDB",
    "INSERT INTO `t'x;drop` VALUES (1, 'one')",
    'CREATE TABLE `ti``ck "ünï" 100% a.b` (id INT PRIMARY KEY) ENGINE=InnoDB',
    'INSERT INTO `ti``ck "ünï" 100% a.b` VALUES (7)',
    "CREATE TABLE old_text (id INT PRIMARY KEY, word VARCHAR(40)) ENGINE=InnoDB CHARACTER SET latin1",
    "INSERT INTO old_text VALUES (1, 'ñandú é ü'), (2, CONVERT(X'C3B1' USING latin1))",
    "CREATE TABLE parted (id INT NOT NULL, y INT NOT NULL, PRIMARY KEY (id, y)) ENGINE=InnoDB PARTITION BY RANGE (y)"
    " (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "INSERT INTO parted SELECT seq, 2015 + seq MOD 10 FROM seq_1_to_100",
    "CREATE TABLE no_key (v VARCHAR(10)) ENGINE=MyISAM",
    "INSERT INTO no_key VALUES ('a'), ('a'), (NULL)",
    "CREATE SEQUENCE ticket START WITH 100 INCREMENT BY 5",
    "SELECT NEXTVAL(ticket), NEXTVAL(ticket)",
    "CREATE VIEW big_orders AS SELECT o.id, c.name, o.total FROM orders o JOIN customers c ON c.id = o.customer_id"
    " WHERE o.total > 100",
    "CREATE FUNCTION with_tax(amount DECIMAL(20,4)) RETURNS DECIMAL(20,4) DETERMINISTIC RETURN amount * 1.21",
    "CREATE PROCEDURE close_orders(IN limit_id BIGINT) BEGIN DECLARE n INT DEFAULT 0;"
    " UPDATE orders SET state = 'closed 🎉' WHERE id < limit_id; SELECT ROW_COUNT() INTO n; END",
    "CREATE TRIGGER order_logged AFTER INSERT ON orders FOR EACH ROW BEGIN"
    " INSERT INTO order_log VALUES (NEW.id, 'made; ''🚀'''); END",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM order_log WHERE order_id < 0",
    "INSERT INTO orders (customer_id, quantity, price) VALUES (1, 2, 3.5)",
)

POSTGRESQL_SAMPLE: tuple[str, ...] = (
    "SET TIME ZONE 'UTC'",
    'CREATE SCHEMA "Sales Dept"',
    "CREATE EXTENSION citext",
    "CREATE TYPE tier AS ENUM ('free', 'pro', 'ente''rprise')",
    "CREATE TYPE address AS (street text, number int)",
    "CREATE DOMAIN percent AS numeric CHECK (VALUE BETWEEN 0 AND 100)",
    """CREATE TABLE customers (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        email citext UNIQUE,
        tier tier NOT NULL DEFAULT 'free',
        home address,
        discount percent,
        balance numeric(30, 6),
        rating double precision,
        ratio real,
        profile jsonb,
        raw_profile json,
        picture bytea,
        tags text[],
        grid int[][],
        born date,
        seen_at timestamptz,
        woken time,
        lasted interval,
        token uuid,
        address inet,
        words tsvector,
        span int4range,
        flags bit varying(8),
        place point,
        doubled numeric GENERATED ALWAYS AS (balance * 2) STORED
    )""",
    "COMMENT ON TABLE customers IS 'people; ''quoted'' 🚀'",
    "INSERT INTO customers (name, email, tier, home, discount, balance, rating, ratio, profile, raw_profile, picture,"
    " tags, grid, born, seen_at, woken, lasted, token, address, words, span, flags, place) VALUES"
    f" ('{EMOJI.replace(chr(39), chr(39) * 2)}', 'A@Example.org', 'ente''rprise', ROW('Calle Ñ', 5), 12.5,"
    ' 123456789012345678901234.567890, \'NaN\', 1.1, \'{"a": [1, null, "🚀"]}\', \'{"b":1, "b":2 }\','
    " '\\x00ff27225c0a0d1a00', ARRAY['a', NULL, 'c,\"d'], '{{1,2},{3,4}}', '0045-03-15 BC',"
    " '2024-03-31 01:30:00.123456+00', '23:59:59.999', '1 year 2 mons -3 days 04:05:06.7',"
    " '00112233-4455-6677-8899-aabbccddeeff', '2001:db8::1/64', 'fat:1A cat:2', '[1,5)', B'10101', '(1.5,-2.25)')",
    "INSERT INTO customers (name, email, rating) VALUES ('', NULL, 'Infinity'), ('NULL', 'null', '-0'),"
    " (' ', ' ', 0.1)",
    "INSERT INTO customers (name, rating, balance, seen_at) SELECT 'customer ' || n, n / 7.0, n / 11.0,"
    " timestamptz '2020-01-01 00:00:00+00' + n * interval '1 hour' FROM generate_series(1, 500) n",
    """CREATE TABLE "Sales Dept".orders (
        id bigserial PRIMARY KEY,
        customer_id int NOT NULL REFERENCES customers (id),
        quantity int NOT NULL CHECK (quantity > 0),
        price numeric(12, 4) NOT NULL,
        state text NOT NULL DEFAULT 'new'
    )""",
    'INSERT INTO "Sales Dept".orders (customer_id, quantity, price)'
    " SELECT 1 + n % 300, 1 + n % 7, n / 13.0 FROM generate_series(1, 2000) n",
    'CREATE INDEX by_state ON "Sales Dept".orders (state)',
    "CREATE TABLE twins (a int, b text)",
    "INSERT INTO twins VALUES (1, 'x'), (1, 'x'), (NULL, 'x'), (NULL, NULL), (1, NULL), (1, NULL)",
    "CREATE TABLE empty_table (id int PRIMARY KEY)",
    "CREATE TABLE no_columns ()",
    "INSERT INTO no_columns DEFAULT VALUES",
    'CREATE TABLE "select" ("from" int PRIMARY KEY, "a b" text, "q""" text)',
    "INSERT INTO \"select\" VALUES (1, 'a', 'b'), (2, NULL, 'ü')",
    'CREATE TABLE "t\'x;drop" (id int PRIMARY KEY, v text)',
    "INSERT INTO \"t'x;drop\" VALUES (1, 'one')",
    'CREATE TABLE "quo""te ti`ck ünï 100% a.b" (id int PRIMARY KEY)',
    'INSERT INTO "quo""te ti`ck ünï 100% a.b" VALUES (7)',
    "CREATE TABLE dropped_column (a int, gone text, b text)",
    "INSERT INTO dropped_column VALUES (1, 'gone', 'b')",
    "ALTER TABLE dropped_column DROP COLUMN gone",
    "CREATE TABLE parted (id int NOT NULL, y int NOT NULL) PARTITION BY RANGE (y)",
    "CREATE TABLE parted_old PARTITION OF parted FOR VALUES FROM (2000) TO (2020)",
    "CREATE TABLE parted_rest PARTITION OF parted DEFAULT",
    "INSERT INTO parted SELECT n, 2015 + n % 10 FROM generate_series(1, 100) n",
    "CREATE TABLE parent (id int, v text)",
    "CREATE TABLE child (extra text) INHERITS (parent)",
    "INSERT INTO parent VALUES (1, 'parent')",
    "INSERT INTO child VALUES (2, 'child', 'more')",
    "CREATE UNLOGGED TABLE unlogged_table (id int)",
    "INSERT INTO unlogged_table VALUES (1)",
    "CREATE TABLE guarded (id int, owner text)",
    "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY only_mine ON guarded USING (owner = current_user)",
    "INSERT INTO guarded VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "CREATE TABLE documents (id int PRIMARY KEY, body oid)",
    "INSERT INTO documents VALUES (1, lo_from_bytea(0, decode(repeat('00ff27225c', 2000), 'hex'))),"
    " (2, lo_from_bytea(0, '\\x'))",
    "CREATE SEQUENCE ticket START 100 INCREMENT 5",
    "SELECT nextval('ticket'), nextval('ticket')",
    "CREATE SEQUENCE never_called",
    'CREATE VIEW big_orders AS SELECT o.id, c.name FROM "Sales Dept".orders o JOIN customers c ON c.id = o.customer_id'
    " WHERE o.quantity * o.price > 100",
    'CREATE MATERIALIZED VIEW order_totals AS SELECT state, count(*) AS orders FROM "Sales Dept".orders GROUP BY state',
    "CREATE FUNCTION with_tax(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT amount * 1.21'",
    "CREATE FUNCTION with_tax(amount numeric, rate numeric) RETURNS numeric LANGUAGE sql IMMUTABLE"
    " AS $$SELECT amount * (1 + rate) /* ; 🚀 */$$",
    'CREATE PROCEDURE close_orders(last bigint) LANGUAGE plpgsql AS $$BEGIN UPDATE "Sales Dept".orders'
    " SET state = 'closed 🎉' WHERE id < last; END$$",
    "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.b := upper(NEW.b); RETURN NEW; END$$",
    "CREATE TRIGGER shouted BEFORE UPDATE ON twins FOR EACH ROW EXECUTE FUNCTION shout()",
    "DO $$BEGIN CREATE ROLE sample_reader; EXCEPTION WHEN duplicate_object THEN NULL; END$$",
    "GRANT SELECT ON customers TO sample_reader",
)

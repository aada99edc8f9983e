-- The sample database of the specification, and one object of every kind that a backup must not lose.
-- Loaded into a fresh database only.

CREATE TABLE productos (
  id SERIAL PRIMARY KEY,
  nombre VARCHAR(255) UNIQUE,
  descripcion TEXT,
  precio DECIMAL(10,2),
  categoria VARCHAR(100),
  emoji VARCHAR(10),
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE productos IS 'Catálogo de la tienda 🛒';

INSERT INTO productos (nombre, descripcion, precio, categoria, emoji) VALUES
  ('Laptop Gaming 🎮', 'Potente laptop para gaming y desarrollo', 1299.99, 'Electronics', '💻'),
  ('Café Premium ☕', 'Café de origen único, tostado artesanal', 24.99, 'Food', '🌟'),
  ('Libro Tech 📚', 'Guía completa de Azure y Cloud Computing', 49.99, 'Books', '🚀'),
  ('Planta Decorativa 🌱', 'Hermosa planta para tu oficina', 15.99, 'Home', '🏠');

CREATE SCHEMA ventas;
CREATE TYPE ventas.estado AS ENUM ('nuevo', 'pagado', 'envíado 📦');
CREATE DOMAIN ventas.cantidad AS integer CHECK (VALUE > 0);
CREATE SEQUENCE ventas.numero_de_factura START 1000 INCREMENT 5;

-- A generated column, JSON, arrays, an enum, a domain and a foreign key.
CREATE TABLE ventas.pedidos (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  producto_id integer NOT NULL REFERENCES productos (id),
  cantidad ventas.cantidad NOT NULL,
  precio numeric(10,2) NOT NULL,
  total numeric(12,2) GENERATED ALWAYS AS (cantidad * precio) STORED,
  estado ventas.estado NOT NULL DEFAULT 'nuevo',
  etiquetas text[] NOT NULL DEFAULT '{}',
  detalle jsonb,
  creado timestamptz NOT NULL
);

-- Bytes that are no text in any encoding, and a large object that a row points to.
CREATE TABLE adjuntos (id integer PRIMARY KEY, contenido bytea NOT NULL, foto oid);
CREATE TABLE auditoria (id bigserial PRIMARY KEY, que text NOT NULL, cuando timestamptz NOT NULL DEFAULT now());

INSERT INTO ventas.pedidos (producto_id, cantidad, precio, estado, etiquetas, detalle, creado)
  SELECT 1 + n % 4, 1 + n % 7, 1.10 + (n % 9973) / 7.0, (ARRAY['nuevo', 'pagado', 'envíado 📦'])[1 + n % 3]::ventas.estado,
         ARRAY['número ' || n, 'rápido 🚚'], jsonb_build_object('nota', 'Pedido ' || n || ' — camión 🚚', 'sku', md5(n::text)),
         timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second'
  FROM generate_series(1, 120000) AS n;

INSERT INTO adjuntos (id, contenido)
  SELECT n, decode(repeat(md5(n::text) || '00ff27225c0a0d1a', 400), 'hex') FROM generate_series(1, 200) AS n;
UPDATE adjuntos SET foto = lo_from_bytea(0, decode(repeat('89504e470d0a1a0a00ff', 3000), 'hex')) WHERE id = 1;

CREATE FUNCTION con_iva(precio numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(precio * 1.21, 2) $$;
CREATE FUNCTION auditar_pedido() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.auditoria (que) VALUES ('pedido ' || NEW.id);
  RETURN NEW;
END $$;
CREATE TRIGGER pedidos_auditados AFTER INSERT ON ventas.pedidos FOR EACH ROW EXECUTE FUNCTION auditar_pedido();

CREATE VIEW ventas.gasto_por_producto AS
  SELECT p.nombre, p.emoji, sum(v.total) AS gasto FROM productos p JOIN ventas.pedidos v ON v.producto_id = p.id GROUP BY p.id;
CREATE INDEX pedidos_por_fecha ON ventas.pedidos (creado);

INSERT INTO ventas.pedidos (producto_id, cantidad, precio, detalle, creado)
  VALUES (2, 3, 9.99, '{"nota": "Café ☕ y piñata 🪅"}', '2026-02-28 23:59:59.999999+00');
SELECT nextval('ventas.numero_de_factura'), nextval('ventas.numero_de_factura');

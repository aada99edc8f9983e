-- The sample database of the specification, and one object of every kind that a backup must not lose.
-- Loaded into a fresh database only; DELIMITER lines are the client's.

CREATE TABLE usuarios (
  id INT PRIMARY KEY AUTO_INCREMENT,
  nombre VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
  email VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
  bio TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
  emoji VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  UNIQUE KEY usuarios_email (email)
) ENGINE=InnoDB;

INSERT INTO usuarios (nombre, email, bio, emoji) VALUES
  ('Juan García 🚀', 'juan@example.com', 'Desarrollador Full Stack que ama los emojis 💻', '🔥'),
  ('María López 📊', 'maria@example.com', 'Data Scientist especialista en Analytics 📈', '🤓'),
  ('Carlos Ruiz ☁️', 'carlos@example.com', 'DevOps Engineer experto en Azure ⚡', '🛠️'),
  ('Ana Martín 🎨', 'ana@example.com', 'UI/UX Designer creativa 🌟', '✨');

-- A generated column, JSON, exact numbers and a foreign key.
CREATE TABLE pedidos (
  id INT PRIMARY KEY AUTO_INCREMENT,
  usuario_id INT NOT NULL,
  cantidad INT NOT NULL,
  precio DECIMAL(10,2) NOT NULL,
  total DECIMAL(12,2) AS (cantidad * precio) STORED,
  detalle JSON,
  creado DATETIME(6) NOT NULL,
  CONSTRAINT pedidos_usuario FOREIGN KEY (usuario_id) REFERENCES usuarios (id)
) ENGINE=InnoDB;

-- Bytes that are no text in any character set.
CREATE TABLE adjuntos (
  id INT PRIMARY KEY AUTO_INCREMENT,
  huella BINARY(16) NOT NULL,
  contenido LONGBLOB NOT NULL
) ENGINE=InnoDB;

CREATE TABLE auditoria (
  id INT PRIMARY KEY AUTO_INCREMENT,
  que VARCHAR(100) NOT NULL,
  cuando TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE=InnoDB;

CREATE VIEW gasto_por_usuario AS
  SELECT u.nombre, u.emoji, SUM(p.total) AS gasto FROM usuarios u JOIN pedidos p ON p.usuario_id = u.id GROUP BY u.id, u.nombre, u.emoji;

INSERT INTO pedidos (usuario_id, cantidad, precio, detalle, creado)
  SELECT 1 + seq % 4, 1 + seq % 7, 1.10 + (seq % 9973) / 7,
         JSON_OBJECT('nota', CONCAT('Pedido número ', seq, ' — camión 🚚'), 'sku', SHA1(seq)),
         TIMESTAMP('2026-01-01') + INTERVAL seq SECOND
  FROM seq_1_to_120000;

INSERT INTO adjuntos (huella, contenido)
  SELECT UNHEX(MD5(seq)), REPEAT(CONCAT(UNHEX(SHA2(seq, 512)), X'00FF27225C0A0D1A'), 400) FROM seq_1_to_200;

DELIMITER //
CREATE FUNCTION con_iva(precio DECIMAL(10,2)) RETURNS DECIMAL(10,2) DETERMINISTIC
  RETURN ROUND(precio * 1.21, 2)//
CREATE PROCEDURE saludar(IN quien VARCHAR(100))
BEGIN
  SELECT CONCAT('¡Hola, ', quien, '! 👋') AS saludo;
END//
CREATE TRIGGER pedidos_auditados AFTER INSERT ON pedidos FOR EACH ROW
  INSERT INTO auditoria (que) VALUES (CONCAT('pedido ', NEW.id))//
CREATE EVENT limpiar_auditoria ON SCHEDULE EVERY 1 DAY DISABLE DO
  DELETE FROM auditoria WHERE cuando < NOW() - INTERVAL 90 DAY//
DELIMITER ;

INSERT INTO pedidos (usuario_id, cantidad, precio, detalle, creado)
  VALUES (2, 3, 9.99, JSON_OBJECT('nota', 'Café ☕ y piñata 🪅'), '2026-02-28 23:59:59.999999');

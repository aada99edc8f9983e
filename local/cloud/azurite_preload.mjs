// Runs inside Node before Azurite does; local/cloud/azurite.py says so by --import.

import { createRequire } from "node:module";

const LAST_CALL_MILLISECONDS = 3000;
const require = createRequire(process.argv[1]);

// SIGTERM makes Azurite save its data. It may come more than once: each thread of the parent that dies sends one, and
// Azurite's own handler is there for the first only, so that the second would kill it in the middle of its saving.
// When all is saved Azurite goes on waiting for its clients, for ever if need be; the last call is for them.
let lastCall;
process.on("SIGTERM", () => {
  lastCall ??= setTimeout(() => process.exit(1), LAST_CALL_MILLISECONDS).unref();
});

// Azurite 3.35 knows the links that SDKs sign with a user delegation key up to API version 2025-07-05. Since
// 2026-04-06 two more lines (signed request headers and query parameters, empty unless asked for) follow the
// encryption scope in what is signed. Azurite 3.37 knows them, but wants Node 22.
const { version } = require("../../package.json");
if (version.startsWith("3.35.")) {
  const signatures = require("./blob/authentication/IBlobSASSignatureValues.js");
  const known = signatures.generateBlobSASSignatureWithUDK;
  signatures.generateBlobSASSignatureWithUDK = (values, resource, account, key) => {
    const lines = values.version >= "2026-04-06" ? "\n\n" : "";
    const encryptionScope = `${values.encryptionScope ?? ""}${lines}`;
    return known({ ...values, encryptionScope }, resource, account, key);
  };
}

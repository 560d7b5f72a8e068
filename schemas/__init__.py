"""The contract: Avro schemas, topics, event and row types, codec, identifiers, errors. Imports nothing else here."""

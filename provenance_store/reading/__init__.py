"""How each question to a store is answered: one file a question, used by `reader`."""

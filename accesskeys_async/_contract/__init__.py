"""The API's contract in code, without I/O: requests, and JSON to records and back.

JSON is read in two ways. The fast one lets a compiled decoder read JSON, UUIDs and times in one pass. The
strict one runs only if it refuses a response: it takes what the fast one is too narrow for, such as times in
another zone, and says where the response is wrong.
"""

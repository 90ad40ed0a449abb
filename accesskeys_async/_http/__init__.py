"""One exchange over aiohttp, and its retries."""

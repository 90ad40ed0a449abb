"""How a request becomes an answer: plain values, retries, the throttle, and one attempt over aiohttp."""

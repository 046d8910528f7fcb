"""A polite crawler: pictures from a gallery or a list, with who made them, under which licence, from which page.

It asks with Scrapy's downloader (the extra ``crawl``), one request at a time a host, and does itself what Scrapy leaves
out: Crawl-delay, Retry-After, opt-outs, and a look at what came. ``docs/crawl.md`` is its manual.
"""

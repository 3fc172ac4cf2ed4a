def docs_page() -> tuple[bytes, str]:
    return b"", "default-src 'none'"

"""A certificate authority and a server's certificate signed by it, made by the openssl program in a directory."""
import os
import subprocess


def make(directory, names):
    """Writes ca.pem, server.pem and server.key; gives their paths in this order. Valid for a day.

    `names` are the server's, as in OpenSSL's subjectAltName: "DNS:localhost,IP:127.0.0.1".
    """
    def path(name):
        return os.path.join(directory, name)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    with open(path("extensions"), "w", encoding="ascii") as file:
        file.write(f"subjectAltName={names}\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", path("ca.key"), "-out", path("ca.pem"), "-days", "1", "-subj", "/CN=test CA")
    openssl("req", "-new", *key, "-keyout", path("server.key"), "-out", path("server.csr"), "-subj", "/CN=test server")
    openssl("x509", "-req", "-in", path("server.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-days", "1",
            "-CAcreateserial", "-extfile", path("extensions"), "-out", path("server.pem"))
    return path("ca.pem"), path("server.pem"), path("server.key")

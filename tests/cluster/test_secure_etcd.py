# SPDX-License-Identifier: GPL-2.0-or-later
"""etcd with TLS and client certificates, and with users and passwords."""
import os
import signal
import subprocess

from lab import Lab
from procs import wait_for


def works(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo")
    c1.reaches(c2.ip4("demo"))


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_certificates(folder):
    """A CA, a server certificate for the lab's addresses, a client certificate; and a client's of another CA."""
    paths = {n: os.path.join(folder, n) for n in ("ca.pem", "ca.key", "server.pem", "server.key", "client.pem", "client.key",
                                                  "evil-ca.pem", "evil-ca.key", "evil.pem", "evil.key")}

    def ca(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", paths[name + ".key"], "-out", paths[name + ".pem"])

    def cert(name, signer, extensions):
        ext, csr = os.path.join(folder, name + ".ext"), os.path.join(folder, name + ".csr")
        with open(ext, "w", encoding="ascii") as f:
            f.write(extensions)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/O={name}", "-keyout", paths[name + ".key"],
                "-out", csr)
        openssl("x509", "-req", "-in", csr, "-CA", paths[signer + ".pem"], "-CAkey", paths[signer + ".key"], "-CAcreateserial", "-days", "2",
                "-extfile", ext, "-out", paths[name + ".pem"])

    ca("ca")
    ca("evil-ca")
    cert("server", "ca", "subjectAltName=IP:192.168.205.10,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    cert("client", "ca", "extendedKeyUsage=clientAuth\n")
    cert("evil", "evil-ca", "extendedKeyUsage=clientAuth\n")
    return paths


def test_tls_with_client_certificates(tmp_path):
    p = make_certificates(str(tmp_path))
    server = ["--cert-file", p["server.pem"], "--key-file", p["server.key"], "--client-cert-auth", "--trusted-ca-file", p["ca.pem"]]
    client = ["--cacert", p["ca.pem"], "--cert", p["client.pem"], "--key", p["client.key"]]
    flags = ["--etcd-ca", p["ca.pem"], "--etcd-cert", p["client.pem"], "--etcd-key", p["client.key"]]
    with Lab(hosts=2, etcd=1, ovld_args=flags, etcd_args=server, scheme="https", ctl_args=client) as lab:
        works(lab)
        # With a certificate of another CA: refused, told, and the flows go on.
        node2 = lab["node2"]
        node2.stop()
        lab.ovld_args = ["--etcd-ca", p["ca.pem"], "--etcd-cert", p["evil.pem"], "--etcd-key", p["evil.key"]]
        node2.start(wait=False)
        wait_for(lambda: node2.ctl("info", check=False).returncode == 0, "ovld answers")
        refused = node2.ctl("network", "create", "x", check=False)
        assert refused.returncode == 1 and refused.stderr
        assert node2.info()["Cluster"]["Link"] is False
        node2.stop()
        lab.ovld_args = flags
        node2.start()


def test_users_and_passwords(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    flags = ["--etcd-user", "ovl", "--etcd-password-file", str(secret)]
    with Lab(hosts=2, etcd=1, start=False, ovld_args=flags) as lab:
        lab.etcd.start()
        lab.etcd.ctl("user", "add", "root:rootpw")
        lab.etcd.ctl("user", "add", "ovl:s3cret")
        lab.etcd.ctl("role", "add", "ovl")
        lab.etcd.ctl("role", "grant-permission", "ovl", "--prefix=true", "readwrite", "/ovl/")
        lab.etcd.ctl("user", "grant-role", "ovl", "ovl")
        lab.etcd.ctl("user", "grant-role", "root", "root")
        lab.etcd.ctl("auth", "enable")
        lab.etcd.ctl_args += ["--user", "root:rootpw"]
        lab.start()
        works(lab)
        # Tokens are forgotten by a restarted etcd: to a client that is an expired token.
        lab.etcd.stop(sig=signal.SIGKILL)
        lab.etcd.start()
        wait_for(lambda: lab["node1"].ctl("network", "create", "later", check=False).returncode == 0 or
                 "later" in lab["node1"].ctl("network", "ls").stdout, "a new token", 20)
        lab["node2"].knows("later", 10)
        # A wrong password is told as such.
        node2 = lab["node2"]
        node2.stop()
        secret.write_text("wrong\n")
        node2.start(wait=False)
        wait_for(lambda: node2.ctl("info", check=False).returncode == 0, "ovld answers")
        refused = node2.ctl("network", "create", "x", check=False)
        assert refused.returncode == 1 and refused.stderr
        secret.write_text("s3cret\n")
        node2.stop()
        node2.start()

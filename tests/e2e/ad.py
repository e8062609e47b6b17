#!/usr/bin/python3
"""Who there is in the domain, written into its database before the controller starts.

usage: ad.py SMB_CONF DIRECTORY     leaves NAME.keytab and NAME.sid there

One process, because each start of samba-tool takes a second."""
import sys

import ldb  # noqa: F401  samba's modules need it loaded
from samba.auth import system_session
from samba.credentials import Credentials
from samba.param import LoadParm
from samba.samdb import SamDB
import samba.dckeytab  # noqa: F401  gives Net its export_keytab
from samba.net import Net

USERS = {"alice": "Alice-Passw0rd", "bob": "Bob-Passw0rd"}
# The cluster's account, a hypervisor host, and a file server that is not the cluster.
COMPUTERS = {
    "SOFS": ["cifs/sofs", "cifs/sofs.ad.test"],
    "HV1": ["host/hv1.ad.test"],
    "OTHER": ["cifs/other.ad.test"],
}


def computer(db, name, spns):
    db.add({
        "dn": f"CN={name},CN=Computers,{db.domain_dn()}",
        "objectClass": "computer",
        "sAMAccountName": name + "$",
        "userAccountControl": "4096",  # WORKSTATION_TRUST_ACCOUNT
        "dNSHostName": name.lower() + ".ad.test",
        "servicePrincipalName": spns,
        "msDS-SupportedEncryptionTypes": "24",  # AES only; without it tickets are RC4
    })
    db.setpassword(f"(sAMAccountName={name}$)", f"Pw-{name}-12345", False)


def main(conf, directory):
    lp = LoadParm()
    lp.load(conf)
    db = SamDB(url=lp.private_path("sam.ldb"), session_info=system_session(), lp=lp)
    for name, password in USERS.items():
        db.newuser(name, password)
        db.setexpiry(f"(sAMAccountName={name})", 0, True)
    for name, spns in COMPUTERS.items():
        computer(db, name, spns)
    credentials = Credentials()
    credentials.guess(lp)
    net = Net(credentials, lp)
    for name, spns in COMPUTERS.items():
        for principal in [name + "$", *spns]:
            net.export_keytab(keytab=f"{directory}/{name.lower()}.keytab",
                              principal=principal + "@AD.TEST")
    for account in [*USERS, *(name + "$" for name in COMPUTERS)]:
        found = db.search(expression=f"(sAMAccountName={account})", attrs=["objectSid"])
        sid = found[0]["objectSid"][0]
        with open(f"{directory}/{account.lower().rstrip('$')}.sid", "w") as out:
            out.write(db.schema_format_value("objectSid", sid).decode() + "\n")


main(*sys.argv[1:])

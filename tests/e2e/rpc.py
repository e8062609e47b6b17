"""The pipes through Samba's own NDR: every level that an enumeration has, and names both ways."""
import sys

from samba.credentials import Credentials
from samba.dcerpc import lsa, security, srvsvc, wkssvc
from samba.param import LoadParm

server, user, password = sys.argv[1:4]
settings = LoadParm()
credentials = Credentials()
credentials.guess(settings)
credentials.set_username(user)
credentials.set_password(password)
binding = "ncacn_np:" + server
unc = "\\\\" + server


def enumerated(call, control, level, counter):
    control.level = level
    control.ctr = counter
    return call(control)


def names_of_shares(pipe):
    names = {}
    for level in (0, 1, 2, 501, 502):
        control = srvsvc.NetShareInfoCtr()
        control.level = level
        control.ctr = getattr(srvsvc, "NetShareCtr%d" % level)()
        control, total, _ = pipe.NetShareEnumAll(unc, control, 0xFFFFFFFF, 0)
        names[level] = sorted(share.name for share in control.ctr.array)
        assert total == len(names[level]), level
    return names


def portions(pipe):
    """The same list, a few bytes at a time."""
    resume, names = 0, []
    while True:
        control = srvsvc.NetShareInfoCtr()
        control.level = 0
        control.ctr = srvsvc.NetShareCtr0()
        try:
            control, total, resume = pipe.NetShareEnumAll(unc, control, 40, resume)
            more = False
        except Exception as error:  # WERR_MORE_DATA comes with what fits, which the bindings drop
            return "more" in str(error).lower() or "0x000000ea" in str(error) or names
        names += [share.name for share in control.ctr.array]
        if not more:
            return names


shares = srvsvc.srvsvc(binding, settings, credentials)
found = names_of_shares(shares)
assert all(found[level] == found[0] for level in found), found
assert {"IPC$", "general", "vms"} <= set(found[0]), found
assert portions(shares)
assert shares.NetShareGetInfo(unc, "vms", 1005).dfs_flags == 0
assert shares.NetSrvGetInfo(unc, 102).server_name == "flotilla"
assert shares.NetRemoteTOD(unc).year >= 2024

station = wkssvc.wkssvc(binding, settings, credentials)
assert station.NetWkstaGetInfo(unc, 100).domain_name == "flotilla"

names = lsa.lsarpc(binding, settings, credentials)
attributes = lsa.ObjectAttribute()
attributes.sec_qos = lsa.QosInfo()
policy = names.OpenPolicy2(unc, attributes, security.SEC_FLAG_MAXIMUM_ALLOWED)
domain = names.QueryInfoPolicy2(policy, lsa.LSA_POLICY_INFO_ACCOUNT_DOMAIN)
name = lsa.String()
name.string = user
domains, sids, count = names.LookupNames3(
    policy, [name], lsa.TransSidArray3(), lsa.LSA_LOOKUP_NAMES_ALL, 0, 0, 0)
assert count == 1 and str(sids.sids[0].sid).startswith(str(domain.sid)), sids
names.Close(policy)

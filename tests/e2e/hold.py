"""Opens a file and holds it until a line comes; then says what becomes of a write to it."""
import sys

from samba import NTSTATUSError
from samba.credentials import Credentials
from samba.param import LoadParm
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

server, share, name, user, password = sys.argv[1:6]
settings = param.get_context()
settings.load_default()
credentials = Credentials()
credentials.guess(LoadParm())
credentials.set_username(user)
credentials.set_password(password)
connection = libsmb.Conn(server, share, settings, credentials)
handle = connection.create(name, DesiredAccess=0x12019F, ShareAccess=7, CreateDisposition=3)
print("open", flush=True)
sys.stdin.readline()
try:
    connection.write(handle, b"x", 0, 1)
    print("written", flush=True)
except NTSTATUSError as error:
    print("failed: 0x%08X" % error.args[0], flush=True)

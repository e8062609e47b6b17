#!/usr/bin/python3
"""A witness client with Samba's bindings, for witness.sh. usage: witness.py ADDRESS OPTIONS COMMAND [ARGUMENT...]

ADDRESS is the witness asked, OPTIONS those of the RPC binding ("sign", "seal,ntlm", ...); USERNAME and
PASSWORD come from the environment, KEYS="ccache:PATH" takes a Kerberos ticket cache instead.

  list                       one line an interface: name, address, state, flags
  register ADDRESS [SHARE]   registers for ADDRESS and unregisters
  watch ADDRESS COUNT        registers, says "watching", prints COUNT notifications
  leave ADDRESS              registers, then goes without a word
  absent                     binds to an interface that nobody has
"""
import os
import sys

from samba import credentials, param
from samba.dcerpc import samr, witness


def client(address, options, interface=witness.witness):
    lp = param.LoadParm()
    lp.set('workgroup', 'FLOTILLA')
    creds = credentials.Credentials()
    creds.guess(lp)
    keys = os.environ.get('KEYS', '')
    if keys.startswith('ccache:'):
        creds.set_realm(os.environ['REALM'])
        creds.set_kerberos_state(credentials.MUST_USE_KERBEROS)
        creds.set_named_ccache(keys[7:], credentials.SPECIFIED, lp)
    elif os.environ.get('USERNAME', '') == '':
        creds.set_anonymous()
    else:
        creds.set_username(os.environ['USERNAME'])
        creds.set_password(os.environ['PASSWORD'])
        creds.set_domain(os.environ.get('DOMAIN', 'FLOTILLA'))
        creds.set_kerberos_state(credentials.DONT_USE_KERBEROS)
    return interface(f'ncacn_ip_tcp:{address}[{options}]', lp, creds)


def register(w, address, share=None, name='flotilla'):
    if share is None:
        return w.Register(witness.WITNESS_V1, name, address, 'tester')
    return w.RegisterEx(witness.WITNESS_V2, name, share, address, 'tester', 0, 60)


def main():
    address, options, command, *rest = sys.argv[1:]
    if command == 'absent':
        client(address, options, samr.samr)
        return
    w = client(address, options)
    if command == 'list':
        found = w.GetInterfaceList()
        for i in found.interfaces[:found.num_interfaces]:
            print(i.group_name, i.ipv4, 'up' if i.state == witness.WITNESS_STATE_AVAILABLE else 'down',
                  'witness' if i.flags & witness.WITNESS_INFO_WITNESS_IF else 'own', f'{i.version:x}')
    elif command == 'register':
        w.UnRegister(register(w, *rest))
        print('unregistered')
    elif command == 'leave':
        register(w, *rest)
    elif command == 'watch':
        w.request_timeout = 60
        handle = register(w, rest[0], 'vms')
        print('watching', flush=True)
        for _ in range(int(rest[1])):
            answer = w.AsyncNotify(handle)
            for m in answer.messages:
                print(m.name, 'up' if m.type == witness.WITNESS_RESOURCE_STATE_AVAILABLE else 'down', flush=True)
        w.UnRegister(handle)


try:
    main()
except Exception as e:  # what the server answered is what the test wants to see
    print(e, file=sys.stderr)
    sys.exit(1)

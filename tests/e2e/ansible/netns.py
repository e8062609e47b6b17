"""An ansible connection into a host that is a set of namespaces: `flotilla_ns_pid` is its first process.

For ansible.sh only: there is neither network nor sshd between the controller and such a host."""
import os
import shutil
import subprocess

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: netns
short_description: enter the namespaces of a process
options:
  pid:
    description: the process
    vars: [{name: flotilla_ns_pid}]
"""


class Connection(ConnectionBase):
    transport = 'netns'
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def _root(self, path):
        return f"/proc/{self.get_option('pid')}/root{path}"

    def exec_command(self, cmd, in_data=None, sudoable=True):
        enter = ['nsenter', '-t', str(self.get_option('pid')), '-m', '-u', '-p', '-n', '-r', '-w', '/bin/sh', '-c', cmd]
        done = subprocess.run(enter, input=in_data or b'', stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        os.makedirs(self._root(os.path.dirname(out_path)), exist_ok=True)
        shutil.copyfile(in_path, self._root(out_path))

    def fetch_file(self, in_path, out_path):
        shutil.copyfile(self._root(in_path), out_path)

    def close(self):
        self._connected = False

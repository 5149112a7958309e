# Keys and values in a file, for programs that want a small database: every change is appended and
# kept at once, and the file is written anew when most of it is out of date.
#
# importos disk create data.img
# importos run kv_store.py --disk data.img -- set color green
# importos run kv_store.py --disk data.img -- get color
import json
import os
import sys


class Store:
    """A dictionary whose changes survive power cuts. Keys and values are what JSON can hold."""

    def __init__(self, path):
        self.path = path
        self.values = {}
        self.lines = 0
        try:
            with open(path) as file:
                for line in file:
                    if not line.endswith("\n"):
                        break  # cut off while it was written: nobody was told that it is kept
                    key, *value = json.loads(line)
                    if value:
                        self.values[key] = value[0]
                    else:
                        self.values.pop(key, None)
                    self.lines += 1
        except OSError:
            pass
        self.compact()

    def compact(self):
        # rename() replaces the old file as a whole: after a cut there is one or the other.
        with open(self.path + ".new", "w") as file:
            for key, value in self.values.items():
                file.write(json.dumps([key, value]) + "\n")
        os.rename(self.path + ".new", self.path)
        self.lines = len(self.values)
        self.file = open(self.path, "a")  # noqa: SIM115 - open as long as the store

    def append(self, entry):
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()
        os.sync()
        self.lines += 1
        if self.lines > 2 * len(self.values) + 100:
            self.file.close()
            self.compact()

    def __getitem__(self, key):
        return self.values[key]

    def __setitem__(self, key, value):
        self.values[key] = value
        self.append([key, value])

    def __delitem__(self, key):
        del self.values[key]
        self.append([key])


store = Store("/store.jsonl")
command = sys.argv[1:]
if command[:1] == ["set"] and len(command) == 3:
    store[command[1]] = command[2]
    print("kept")
elif command[:1] == ["get"] and len(command) == 2:
    print(store.values.get(command[1], "not there"))
elif command[:1] == ["delete"] and len(command) == 2:
    del store[command[1]]
    print("gone")
else:
    print(len(store.values), "keys:", ", ".join(sorted(store.values)))

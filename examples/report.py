# Reads a data file that travels in the image beside the app, and prints a summary of it.
#
# /// script
# [tool.mkimage]
# include = ["report.csv"]
# ///

FOLDER = __file__.rpartition("/")[0]


def read(path):
    """{sensor: [values]} of a file with the columns day, sensor, celsius."""
    values = {}
    with open(path) as file:
        next(file)
        for line in file:
            _, sensor, celsius = line.strip().split(",")
            values.setdefault(sensor, []).append(float(celsius))
    return values


def main():
    values = read(f"{FOLDER}/report.csv" if FOLDER else "report.csv")
    print(f"{'sensor':<8} {'days':>4} {'low':>6} {'mean':>6} {'high':>6}")
    for sensor in sorted(values):
        row = values[sensor]
        mean = sum(row) / len(row)
        print(f"{sensor:<8} {len(row):>4} {min(row):>6.2f} {mean:>6.2f} {max(row):>6.2f}")


main()

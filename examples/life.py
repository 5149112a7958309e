# Conway's Game of Life on the serial console: a few generations, then it ends.
#
# importos run life.py                      generations and pause (ms) may follow: -- 200 50
import random
import sys
import time

WIDTH = 64
HEIGHT = 20
CLEAR = "\x1b[2J"
HOME = "\x1b[H"
HIDE_CURSOR = "\x1b[?25l"
SHOW_CURSOR = "\x1b[?25h"


# A cell is one number, x + y * WIDTH. What leaves the field comes back on the other side, at the
# left and right one row further: the field is wound up like a thread.
SIZE = WIDTH * HEIGHT
AROUND = (-WIDTH - 1, -WIDTH, -WIDTH + 1, -1, 1, WIDTH - 1, WIDTH, WIDTH + 1)


def seed():
    """A glider gun on the left, some noise on the right."""
    gun = (
        "........................#",
        "......................#.#",
        "............##......##............##",
        "...........#...#....##............##",
        "##........#.....#...##",
        "##........#...#.##....#.#",
        "..........#.....#.......#",
        "...........#...#",
        "............##",
    )
    cells = set()
    for y, row in enumerate(gun, 1):
        cells.update(x + y * WIDTH for x, c in enumerate(row, 1) if c == "#")
    for _ in range(60):
        cells.add(random.randrange(44, WIDTH) + random.randrange(10, HEIGHT) * WIDTH)
    return cells


def step(cells):
    """The next generation."""
    count = {}
    for cell in cells:
        for offset in AROUND:
            at = (cell + offset) % SIZE
            count[at] = count.get(at, 0) + 1
    return {at for at, n in count.items() if n == 3 or (n == 2 and at in cells)}


def draw(cells, generation):
    """One frame; two rows of cells share a row of characters."""
    blocks = " ▀▄█"
    lines = []
    for row in range(0, SIZE, 2 * WIDTH):
        pairs = ((at in cells) + 2 * (at + WIDTH in cells) for at in range(row, row + WIDTH))
        lines.append("".join(blocks[i] for i in pairs))
    status = f"generation {generation}, {len(cells)} cells"
    sys.stdout.write(HOME + "\n".join(lines) + f"\n{status:<{WIDTH}}\n")


def main(generations=40, pause_ms=50):
    cells = seed()
    sys.stdout.write(CLEAR + HIDE_CURSOR)
    try:
        for generation in range(1, generations + 1):
            cells = step(cells)
            draw(cells, generation)
            time.sleep_ms(pause_ms)
    finally:
        sys.stdout.write(SHOW_CURSOR)
    print(f"{generations} generations, {len(cells)} cells alive")


main(*map(int, sys.argv[1:3]))

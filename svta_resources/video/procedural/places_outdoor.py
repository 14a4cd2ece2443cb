"""Places under the sky. Every painter gets a `Canvas`; people stand on its lower half."""

from svta_resources.video.procedural.backdrop import BOTTOM, HORIZON, Canvas
from svta_resources.video.procedural.pen import RGB, shade

_ASPHALT: RGB = (92, 94, 100)
_PAVING: RGB = (176, 170, 160)
_GRASS: RGB = (98, 174, 72)
_FRONTS: tuple[RGB, ...] = ((196, 120, 92), (214, 188, 140), (150, 160, 176), (188, 146, 128), (166, 178, 150))


def street(canvas: Canvas) -> None:
    """House fronts, a pavement and a strip of road."""
    canvas.sky()
    first = int(canvas.dice[0] * len(_FRONTS))
    tops = (4, 16, -2, 12, 6)
    for number in range(int(canvas.width / 44) + 2):
        front = _FRONTS[(number + first) % len(_FRONTS)]
        canvas.building(
            number * 44 - 10 - 20 * canvas.dice[1], 43, tops[(number + first) % len(tops)], front, HORIZON + 10
        )
    canvas.ground(_PAVING, HORIZON + 10)
    canvas.tiles(shade(_PAVING, 0.85), HORIZON + 10, 24)
    if canvas.road:
        canvas.pen.rect(canvas.left, HORIZON + 17, canvas.right, BOTTOM, _ASPHALT)
        canvas.pen.rect(canvas.left, HORIZON + 15, canvas.right, HORIZON + 17, (206, 206, 202))
        canvas.dashes(90)
    canvas.lamp(canvas.width * (0.08 if canvas.dice[2] < 0.5 else 0.92), HORIZON + 14)


def road(canvas: Canvas) -> None:
    """A wide road with lanes between green verges."""
    canvas.sky()
    canvas.pen.poly(
        [(-12, 62), (30, 44), (80, 58), (130, 40), (canvas.right, 56), (canvas.right, 66), (-12, 66)], (122, 150, 116)
    )
    canvas.ground((120, 160, 84), 58)
    canvas.pen.rect(canvas.left, 66, canvas.right, 70, (196, 198, 200))
    canvas.pen.rect(canvas.left, 70, canvas.right, BOTTOM, _ASPHALT)
    canvas.pen.rect(canvas.left, 72, canvas.right, 73.5, (244, 244, 240))
    canvas.dashes(88)
    canvas.repeat(48, lambda x: canvas.pen.rect(x, 56, x + 3, 67, (150, 154, 158)))


def bridge(canvas: Canvas) -> None:
    """A deck with railing and cables over water."""
    canvas.sky()
    canvas.pen.rect(canvas.left, 46, canvas.right, 72, (64, 128, 176))
    middle = canvas.width * 0.5
    for tower in (middle - 62, middle + 56):
        canvas.pen.rect(tower, -12, tower + 7, 72, (176, 62, 46))
    cables = [[(middle, -8), (middle + side * n * 16, 58)] for side in (-1, 1) for n in range(1, 7)]
    canvas.pen.lines(cables, 0.9, (176, 62, 46))
    canvas.ground((128, 128, 134), 72)
    canvas.pen.rect(canvas.left, 57, canvas.right, 60, (176, 62, 46))
    canvas.repeat(12, lambda x: canvas.pen.rect(x, 58, x + 2, 74, (150, 52, 40)))


def park(canvas: Canvas) -> None:
    """Grass, trees and a path."""
    canvas.sky()
    canvas.pen.rect(canvas.left, 44, canvas.right, 64, (206, 218, 220) if canvas.weather == "snow" else (62, 128, 62))
    canvas.ground(_GRASS, 60)
    canvas.pen.poly([(-12, 84), (canvas.right, 78), (canvas.right, 96), (-12, 104)], (214, 196, 150))
    for share in (0.06, 0.36, 0.68, 0.96):
        canvas.tree(canvas.width * share + 10 * canvas.dice[0], 72, 0.95 + 0.3 * canvas.dice[1])


def playground(canvas: Canvas) -> None:
    """A red sports ground with a slide, goal posts and a fence."""
    canvas.sky()
    canvas.ground((206, 108, 72), 62)
    canvas.pen.rect(canvas.left, 48, canvas.right, 62, (120, 176, 96))
    canvas.repeat(10, lambda x: canvas.pen.rect(x, 36, x + 1, 62, (110, 116, 120)))
    canvas.pen.rect(canvas.left, 36, canvas.right, 37.5, (110, 116, 120))
    canvas.pen.lines([[(16, 70), (16, 30), (32, 30), (58, 70)]], 3.4, (250, 196, 30))
    right = canvas.width - 10
    canvas.pen.lines([[(right, 72), (right, 40), (right - 30, 40), (right - 30, 72)]], 2.4, (246, 246, 246))
    canvas.pen.lines([[(-12, 84), (canvas.right, 84)], [(-12, 108), (canvas.right, 108)]], 1.6, (246, 240, 230))


def parking_lot(canvas: Canvas) -> None:
    """Parked cars in marked bays."""
    canvas.sky()
    canvas.pen.rect(canvas.left, 40, canvas.right, 60, (158, 152, 146))
    canvas.ground((112, 114, 120), 58)
    paints: tuple[RGB, ...] = ((160, 164, 170), (120, 128, 136), (188, 184, 176), (96, 104, 112))
    for number in range(int(canvas.width / 46) + 2):
        x = number * 46 - 16 * canvas.dice[0]
        paint = paints[(number + int(canvas.dice[1] * 4)) % 4]
        canvas.pen.poly([(x, 68), (x + 2, 57), (x + 9, 48), (x + 27, 48), (x + 34, 57), (x + 36, 68)], paint)
        canvas.pen.poly([(x + 7, 56), (x + 11, 50), (x + 25, 50), (x + 29, 56)], (176, 206, 222))
        canvas.pen.dots([(x + 7, 68), (x + 29, 68)], 7, (30, 30, 34))
    bays = [[(x, 70), (x - 16, BOTTOM)] for x in range(-30, int(canvas.width) + 60, 46)]
    canvas.pen.lines(bays, 1.8, (240, 240, 236))


def petrol_station(canvas: Canvas) -> None:
    """A red and white canopy over pumps."""
    canvas.sky()
    canvas.ground((150, 150, 152), 64)
    canvas.pen.rect(canvas.left, 8, canvas.right, 22, (226, 36, 40))
    canvas.pen.rect(canvas.left, 14, canvas.right, 17, (250, 250, 250))
    for share in (0.1, 0.5, 0.9):
        x = canvas.width * share
        canvas.pen.rect(x - 2, 22, x + 2, 70, (216, 218, 220))
        canvas.pen.rect(x + 6, 42, x + 20, 72, (226, 36, 40))
        canvas.pen.rect(x + 8, 46, x + 18, 54, (200, 240, 220))


def beach(canvas: Canvas) -> None:
    """Sea, surf and sand under palms."""
    canvas.sky()
    canvas.pen.rect(canvas.left, 42, canvas.right, 66, (32, 132, 196))
    canvas.pen.rect(canvas.left, 64, canvas.right, 68, (236, 246, 250))
    canvas.ground((240, 216, 152), 68)
    canvas.pen.circle((canvas.width * (0.2 + 0.6 * canvas.dice[0]), 20), 9, (255, 244, 170))
    x = canvas.width * 0.92
    canvas.pen.line([(x, 76), (x - 3, 40), (x - 8, 18)], 4, (132, 92, 54))
    leaves = [
        [(x - 8, 18), (x - 8 + across, 18 + down)]
        for across, down in ((-20, 4), (-14, -10), (6, -12), (16, 2), (10, 14))
    ]
    canvas.pen.lines(leaves, 4, (50, 140, 60))


def pool(canvas: Canvas) -> None:
    """A swimming pool with lanes."""
    canvas.wall((216, 236, 240), 50)
    canvas.ground((226, 222, 206), 50, outdoors=False)
    canvas.pen.rect(canvas.left, 58, canvas.right, 84, (44, 182, 220))
    lanes = [[(canvas.left, y), (canvas.right, y)] for y in (64, 71, 78)]
    canvas.pen.lines(lanes, 1.2, (240, 90, 80))


def bus_stop(canvas: Canvas) -> None:
    """A shelter with a sign at the roadside."""
    street(canvas)
    canvas.pen.rect(34, 20, 112, 25, (36, 96, 170))
    canvas.pen.poly([(38, 25), (108, 25), (108, 70), (38, 70)], (190, 222, 236), 0.75)
    canvas.pen.lines([[(36, 24), (36, 76)], [(110, 24), (110, 76)]], 2.6, (44, 54, 66))
    canvas.pen.rect(124, 26, 126.5, 76, (60, 62, 66))
    canvas.pen.circle((125, 24), 8, (250, 204, 20))
    canvas.pen.rect(canvas.left, 98, canvas.right, BOTTOM, _ASPHALT)


def construction(canvas: Canvas) -> None:
    """Raw concrete, scaffolding and a crane."""
    canvas.sky()
    canvas.ground((188, 156, 112), 64)
    canvas.pen.rect(20, 10, 120, 66, (168, 166, 162))
    for level in range(3):
        canvas.pen.rect(26, 16 + level * 17, 114, 26 + level * 17, (112, 112, 112))
    poles = [[(x, 6), (x, 68)] for x in range(20, 125, 20)] + [[(18, y), (122, y)] for y in (14, 31, 48)]
    canvas.pen.lines(poles, 1.6, (240, 150, 30))
    canvas.pen.lines([[(150, 70), (150, -8)], [(120, 2), (190, 2)], [(178, 2), (178, 28)]], 2.6, (250, 200, 20))


def roof(canvas: Canvas) -> None:
    """A flat roof above the city."""
    canvas.sky()
    for number in range(8):
        canvas.building(number * 28 - 10, 24, 34 + (number * 13) % 20, (140, 150, 168))
    canvas.ground((158, 148, 138), 70)
    canvas.pen.rect(canvas.left, 62, canvas.right, 72, (126, 116, 108))
    canvas.pen.rect(12, 46, 34, 74, (186, 190, 194))
    canvas.pen.line([(canvas.width - 24, 66), (canvas.width - 24, 22)], 1.6, (70, 74, 80))


def market(canvas: Canvas) -> None:
    """Stalls with striped awnings and fruit."""
    canvas.sky()
    canvas.ground((206, 186, 156), 66)
    awnings: tuple[RGB, ...] = ((226, 50, 50), (40, 140, 90), (240, 170, 30), (60, 100, 200))
    for number in range(int(canvas.width / 52) + 2):
        x, paint = number * 52 - 14, awnings[(number + int(canvas.dice[0] * 4)) % 4]
        canvas.pen.rect(x, 20, x + 48, 32, paint)
        canvas.pen.polys(
            [[(x + s, 20), (x + s + 6, 20), (x + s + 6, 32), (x + s, 32)] for s in (6, 20, 34)], (250, 250, 246)
        )
        canvas.pen.rect(x + 2, 56, x + 46, 72, (150, 104, 60))
        canvas.pen.dots([(x + 8 + n * 8, 54) for n in range(5)], 7, awnings[(number + 2) % 4])


PLACES = {
    "street": street,
    "road": road,
    "bridge": bridge,
    "park": park,
    "playground": playground,
    "parking-lot": parking_lot,
    "petrol-station": petrol_station,
    "beach": beach,
    "pool": pool,
    "bus-stop": bus_stop,
    "construction": construction,
    "roof": roof,
    "market": market,
}

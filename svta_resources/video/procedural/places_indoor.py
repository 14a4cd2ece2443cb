"""Rooms. Every painter gets a `Canvas`; people stand on its lower half."""

from svta_resources.video.procedural.backdrop import BOTTOM, HORIZON, Canvas
from svta_resources.video.procedural.pen import RGB, shade

_FLOOR = HORIZON + 8


def shop(canvas: Canvas) -> None:
    """Shelves full of goods behind a light floor."""
    canvas.wall((244, 236, 214))
    canvas.ground((222, 222, 216), _FLOOR, outdoors=False)
    canvas.tiles((196, 198, 196))
    goods: tuple[RGB, ...] = ((216, 70, 66), (70, 130, 210), (240, 196, 60), (80, 170, 100), (190, 110, 190))
    for unit in range(int(canvas.width / 58) + 1):
        left = unit * 58 + 4
        canvas.pen.rect(left, 12, left + 52, _FLOOR, (176, 150, 116))
        for row in range(4):
            top = 15 + row * 13.5
            canvas.pen.rect(left + 2, top, left + 50, top + 11, (116, 92, 68))
            for box in range(6):
                paint = goods[(row * 2 + box + unit + int(canvas.dice[0] * 5)) % 5]
                canvas.pen.rect(left + 3 + box * 8, top + 2, left + 9 + box * 8, top + 11, paint)


def kitchen(canvas: Canvas) -> None:
    """Tiles, cupboards, a stove and a fridge."""
    canvas.wall((206, 232, 226))
    canvas.tiles((180, 212, 206), -12, 14)
    canvas.ground((196, 154, 112), _FLOOR, outdoors=False)
    canvas.repeat(34, lambda x: canvas.pen.rect(x, 2, x + 32, 24, (238, 240, 240)))
    canvas.pen.rect(canvas.left, 46, canvas.right, _FLOOR + 2, (236, 238, 238))
    canvas.pen.rect(canvas.left, 43, canvas.right, 47, (110, 84, 62))
    x = canvas.width * (0.3 + 0.3 * canvas.dice[0])
    canvas.pen.rect(x, 42, x + 34, _FLOOR + 2, (60, 62, 68))
    canvas.pen.rect(x + 5, 52, x + 29, 66, (24, 26, 30))
    canvas.pen.rect(canvas.width - 34, 4, canvas.width - 4, _FLOOR + 4, (214, 220, 226))
    canvas.pen.rect(canvas.width - 32, 30, canvas.width - 6, 32, (150, 156, 164))


def living_room(canvas: Canvas) -> None:
    """A sofa, a picture, a window and a carpet."""
    canvas.wall((236, 206, 170))
    canvas.ground((160, 106, 68), _FLOOR, outdoors=False)
    canvas.pen.oval(30, 84, canvas.width - 30, 116, (176, 60, 70))
    canvas.pen.rect(14, 8, 50, 42, (250, 250, 250))
    canvas.pen.rect(17, 11, 47, 39, (40, 60, 110) if canvas.night else (160, 210, 240))
    canvas.pen.rect(84, 12, 110, 32, (90, 60, 40))
    canvas.pen.rect(87, 15, 107, 29, (110, 170, 120))
    canvas.pen.rect(76, 44, 150, 74, (60, 110, 120))
    canvas.pen.rect(70, 52, 80, 76, (50, 94, 104))
    canvas.pen.rect(146, 52, 156, 76, (50, 94, 104))
    canvas.pen.line([(canvas.width - 14, 74), (canvas.width - 14, 26)], 2, (80, 60, 40))
    lamp = [(canvas.width - across, y) for across, y in ((24, 30), (19, 14), (9, 14), (4, 30))]
    canvas.pen.poly(lamp, (255, 236, 170), glow=canvas.night)


def bedroom(canvas: Canvas) -> None:
    """A bed against a lilac wall."""
    canvas.wall((206, 196, 230))
    canvas.ground((198, 170, 140), _FLOOR, outdoors=False)
    canvas.pen.rect(16, 30, 24, 82, (110, 70, 44))
    canvas.pen.rect(22, 54, 112, 70, (250, 250, 255))
    canvas.pen.rect(44, 54, 112, 76, (110, 140, 220))
    canvas.pen.oval(24, 46, 46, 58, (255, 255, 255))
    canvas.pen.rect(134, 8, 176, 44, (250, 250, 250))
    canvas.pen.rect(137, 11, 173, 41, (30, 40, 90) if canvas.night else (170, 214, 240))


def office(canvas: Canvas) -> None:
    """Blue-grey walls, windows with blinds, desks with screens."""
    canvas.wall((196, 208, 220))
    canvas.ground((104, 116, 136), _FLOOR, outdoors=False)
    canvas.repeat(48, lambda x: canvas.pen.rect(x + 6, 4, x + 46, 30, (232, 240, 246)))
    canvas.repeat(8, lambda x: canvas.pen.rect(x, 4, x + 0.8, 30, (176, 190, 204)))
    for share in (0.04, 0.4, 0.76):
        x = canvas.width * share
        canvas.pen.rect(x, 54, x + 44, 58, (186, 140, 92))
        canvas.pen.rect(x + 2, 58, x + 5, 76, (120, 90, 60))
        canvas.pen.rect(x + 39, 58, x + 42, 76, (120, 90, 60))
        canvas.pen.rect(x + 12, 38, x + 32, 52, (30, 34, 40))
        canvas.pen.rect(x + 14, 40, x + 30, 50, (110, 190, 250))


def corridor(canvas: Canvas) -> None:
    """A hall in perspective with doors on both sides."""
    canvas.wall((234, 224, 200), BOTTOM)
    middle = canvas.width / 2
    canvas.pen.poly(
        [(canvas.left, BOTTOM), (middle - 26, 58), (middle + 26, 58), (canvas.right, BOTTOM)], (170, 132, 112)
    )
    canvas.pen.rect(middle - 26, 14, middle + 26, 58, (212, 200, 174))
    canvas.pen.rect(middle - 9, 24, middle + 9, 58, (136, 92, 60))
    for side in (-1, 1):
        for near, far, top, low in ((84, 62, -8, 92), (52, 38, 6, 74)):
            corners = ((near, top), (far, top + 10), (far, low - 12), (near, low))
            canvas.pen.poly([(middle + side * across, y) for across, y in corners], (136, 92, 60))
    canvas.pen.rect(middle - 12, 0, middle + 12, 5, (255, 252, 230))


def hospital(canvas: Canvas) -> None:
    """White and mint walls, a bed, a red cross."""
    canvas.wall((242, 248, 248))
    canvas.pen.rect(canvas.left, 44, canvas.right, _FLOOR, (150, 214, 196))
    canvas.ground((214, 228, 228), _FLOOR, outdoors=False)
    canvas.pen.rect(92, 8, 108, 34, (255, 255, 255))
    canvas.pen.rect(97, 10, 103, 32, (226, 30, 40))
    canvas.pen.rect(90, 18, 110, 24, (226, 30, 40))
    canvas.pen.rect(8, 54, 66, 64, (250, 250, 255))
    canvas.pen.lines([[(10, 64), (10, 78)], [(64, 64), (64, 78)]], 2, (150, 156, 164))
    canvas.pen.line([(canvas.width - 26, 76), (canvas.width - 26, 20)], 1.6, (150, 156, 164))


def subway(canvas: Canvas) -> None:
    """A train at a platform with a yellow edge."""
    canvas.wall((96, 104, 116))
    canvas.pen.rect(canvas.left, 10, canvas.right, 64, (196, 202, 210))
    canvas.pen.rect(canvas.left, 46, canvas.right, 52, (206, 36, 44))
    canvas.repeat(40, lambda x: canvas.pen.rect(x + 4, 18, x + 24, 38, (52, 70, 92)))
    canvas.repeat(40, lambda x: canvas.pen.rect(x + 28, 16, x + 38, 64, (152, 160, 170)))
    canvas.ground((150, 146, 142), 66, outdoors=False)
    canvas.pen.rect(canvas.left, 68, canvas.right, 73, (250, 208, 20))
    canvas.repeat(90, lambda x: canvas.pen.rect(x, -12, x + 9, 80, (70, 76, 86)), 20)


def bus(canvas: Canvas) -> None:
    """Inside a bus: windows, seats, poles."""
    canvas.wall((216, 220, 206))
    canvas.repeat(
        50, lambda x: canvas.pen.rect(x + 3, 8, x + 46, 42, (30, 40, 70) if canvas.night else (170, 210, 230))
    )
    canvas.ground((86, 88, 98), _FLOOR, outdoors=False)
    canvas.repeat(50, lambda x: canvas.pen.rect(x + 8, 46, x + 36, 76, (40, 70, 170)))
    canvas.repeat(50, lambda x: canvas.pen.rect(x + 42, -12, x + 44.5, 84, (250, 210, 30)))


def bank(canvas: Canvas) -> None:
    """Marble, pillars and a counter with glass."""
    canvas.wall((222, 212, 190))
    canvas.ground((176, 160, 134), _FLOOR, outdoors=False)
    canvas.tiles((150, 136, 114), _FLOOR, 26)
    canvas.repeat(60, lambda x: canvas.pen.rect(x, -12, x + 10, _FLOOR, (240, 234, 220)), 8)
    canvas.pen.rect(canvas.left, 48, canvas.right, _FLOOR + 4, (106, 66, 42))
    canvas.pen.rect(canvas.left, 45, canvas.right, 49, (190, 152, 90))
    canvas.pen.poly([(30, 18), (160, 18), (160, 45), (30, 45)], (176, 214, 220), 0.6)


def restaurant(canvas: Canvas) -> None:
    """Warm red walls, lamps, tables with white cloths."""
    canvas.wall((150, 52, 50))
    canvas.ground((110, 70, 46), _FLOOR, outdoors=False)
    for share in (0.14, 0.5, 0.86):
        x = canvas.width * share
        canvas.pen.line([(x, -8), (x, 10)], 1, (30, 26, 24))
        canvas.pen.circle((x, 14), 6, (255, 220, 120), glow=True)
        canvas.pen.poly([(x - 18, 52), (x + 18, 52), (x + 22, 74), (x - 22, 74)], (250, 246, 238))
        canvas.pen.rect(x - 2, 44, x + 2, 52, (60, 130, 70))


def school(canvas: Canvas) -> None:
    """A blackboard over rows of desks."""
    canvas.wall((240, 230, 160))
    canvas.ground((206, 168, 116), _FLOOR, outdoors=False)
    canvas.pen.rect(40, 6, 152, 44, (120, 80, 44))
    canvas.pen.rect(43, 9, 149, 41, (30, 86, 60))
    canvas.pen.lines([[(52, 18), (92, 18)], [(52, 26), (112, 26)], [(52, 34), (80, 34)]], 1.4, (240, 244, 240))
    canvas.repeat(46, lambda x: canvas.pen.rect(x, 60, x + 32, 64, (226, 150, 70)))
    canvas.repeat(46, lambda x: canvas.pen.rect(x + 3, 64, x + 5, 78, (90, 94, 100)))


def gym(canvas: Canvas) -> None:
    """Wall bars, mirrors and a wooden floor."""
    canvas.wall((196, 222, 240))
    canvas.ground((222, 164, 92), _FLOOR, outdoors=False)
    canvas.tiles((200, 142, 74), _FLOOR, 12)
    canvas.pen.rect(60, 6, canvas.width - 10, 60, (226, 240, 248))
    canvas.pen.lines([[(90, 54), (120, 12)], [(130, 54), (160, 12)]], 3, (246, 252, 255))
    bars = [[(8, y), (48, y)] for y in range(8, 66, 7)]
    canvas.pen.lines([*bars, [(8, 4), (8, 70)], [(48, 4), (48, 70)]], 2, (150, 96, 50))


def warehouse(canvas: Canvas) -> None:
    """Racks with cartons under a dark roof."""
    canvas.wall((120, 120, 116))
    canvas.ground((156, 152, 144), _FLOOR, outdoors=False)
    canvas.pen.rect(canvas.left, -12, canvas.right, 6, (70, 72, 76))
    for rack in range(int(canvas.width / 62) + 1):
        left = rack * 62 + 4
        for row in range(3):
            y = 26 + row * 20
            canvas.pen.rect(left, y, left + 54, y + 3, (236, 110, 30))
            for box in range(3):
                paint = shade((196, 148, 92), 0.85 + 0.12 * ((rack + row + box) % 3))
                canvas.pen.rect(left + 3 + box * 17, y - 13, left + 17 + box * 17, y, paint)
        canvas.pen.rect(left, 8, left + 3, _FLOOR + 2, (40, 80, 160))
        canvas.pen.rect(left + 51, 8, left + 54, _FLOOR + 2, (40, 80, 160))


PLACES = {
    "shop": shop,
    "kitchen": kitchen,
    "living-room": living_room,
    "bedroom": bedroom,
    "office": office,
    "corridor": corridor,
    "hospital": hospital,
    "subway": subway,
    "bus": bus,
    "bank": bank,
    "restaurant": restaurant,
    "school": school,
    "gym": gym,
    "warehouse": warehouse,
}

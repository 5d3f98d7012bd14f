// Which part of the picture is shown, and how large: shared by every pane, so that they move together.

const MOST = 16; // screen pixels for one of the picture

export class View {
  constructor() {
    this.scale = 1;
    this.x = 0; // screen pixels of the picture's corner in its pane
    this.y = 0;
    this.fitted = true;
    this.picture = [1, 1];
    this.pane = [1, 1];
  }

  get least() { return Math.min(1, this.#fit() / 2); }
  #fit() { return Math.min((this.pane[0] - 24) / this.picture[0], (this.pane[1] - 24) / this.picture[1]); }

  size(pane, picture) {
    this.pane = pane;
    this.picture = picture;
    if (this.fitted) this.fit();
  }

  fit() {
    this.fitted = true;
    this.scale = Math.max(0.01, Math.min(this.#fit(), 4));
    this.x = (this.pane[0] - this.picture[0] * this.scale) / 2;
    this.y = (this.pane[1] - this.picture[1] * this.scale) / 2;
  }

  // Keep the picture's point under (x, y) of the pane where it is.
  zoom(factor, x = this.pane[0] / 2, y = this.pane[1] / 2) {
    const scale = Math.min(MOST, Math.max(this.least, this.scale * factor));
    this.x = x - ((x - this.x) / this.scale) * scale;
    this.y = y - ((y - this.y) / this.scale) * scale;
    this.scale = scale;
    this.fitted = false;
    this.#hold();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#hold();
  }

  // Bring a rectangle to the middle, with its surroundings.
  show([x, y, w, h]) {
    const room = Math.min(this.pane[0] / (w * 3), this.pane[1] / (h * 3));
    this.scale = Math.min(Math.max(room, this.#fit()), 4);
    this.x = this.pane[0] / 2 - (x + w / 2) * this.scale;
    this.y = this.pane[1] / 2 - (y + h / 2) * this.scale;
    this.fitted = false;
    this.#hold();
  }

  // Some of the picture always stays in sight.
  #hold() {
    const [w, h] = this.picture.map((side) => side * this.scale);
    this.x = Math.min(Math.max(this.x, 60 - w), this.pane[0] - 60);
    this.y = Math.min(Math.max(this.y, 60 - h), this.pane[1] - 60);
  }

  toScreen([x, y, w, h]) { return [x * this.scale + this.x, y * this.scale + this.y, w * this.scale, h * this.scale]; }
  toPicture(x, y) { return [(x - this.x) / this.scale, (y - this.y) / this.scale]; }
}

// The bar that moves through a recorded story (depeer demo). Live there is none.

export function Playback() {
  return null;
}

// Drawing without replacement: the chance of an overlap as large as the one seen.

/** `log(i!)` for i up to `n`, summed with compensation so that the last digits of small p-values hold. */
export function logFactorials(n: number): Float64Array {
  const table = new Float64Array(n + 1);
  let sum = 0;
  let lost = 0;
  for (let i = 1; i <= n; i++) {
    const step = Math.log(i) - lost;
    const next = sum + step;
    lost = next - sum - step;
    sum = next;
    table[i] = sum;
  }
  return table;
}

/** P(X >= x) for x from 0 to `drawn`, where X of the `drawn` genes are among `marked` of `population`. */
export function upperTails(log: Float64Array, population: number, marked: number, drawn: number): Float64Array {
  const choose = (n: number, k: number) => log[n]! - log[k]! - log[n - k]!;
  const tails = new Float64Array(drawn + 1);
  const least = Math.max(0, drawn + marked - population);
  let tail = 0;
  for (let x = Math.min(marked, drawn); x >= least; x--) {
    tail += Math.exp(choose(marked, x) + choose(population - marked, drawn - x) - choose(population, drawn));
    tails[x] = Math.min(1, tail);
  }
  return tails.fill(1, 0, least + 1);
}

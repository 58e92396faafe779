/** The choice of the movie, with the totals of each going on. */
import { useEffect, useRef, useState } from "react";
import { ofSentiment, sumOf } from "../shared/buckets";
import type { MovieOverview } from "../shared/model";
import { number, share } from "./format";
import { Balance } from "./parts";

const FILTER_FROM = 9;

export function Movies(props: { movies: MovieOverview[]; chosen: string; onChoose: (slug: string) => void }) {
  const { movies, chosen, onChoose } = props;
  const [filter, setFilter] = useState("");
  const wanted = movies.filter((m) => m.slug === chosen || m.title.toLowerCase().includes(filter.trim().toLowerCase()));
  const strip = useRef<HTMLFieldSetElement>(null);
  useEffect(() => {
    const card = strip.current?.querySelector<HTMLElement>(".movie.on");
    if (strip.current && card) strip.current.scrollLeft = card.offsetLeft - (strip.current.clientWidth - card.offsetWidth) / 2;
  }, [chosen]);
  return (
    <nav className="movies" aria-label="Movies">
      {movies.length >= FILTER_FROM && (
        <input type="search" placeholder={`Find one of ${movies.length} movies`} aria-label="Find a movie" value={filter} onChange={(e) => setFilter(e.target.value)} />
      )}
      <fieldset className="strip" ref={strip}>
        <legend className="hidden">Movie</legend>
        {wanted.map((movie) => {
          const positive = ofSentiment(movie.day, "positive");
          const negative = ofSentiment(movie.day, "negative");
          return (
            <label key={movie.slug} className={movie.slug === chosen ? "movie on" : "movie"} data-slug={movie.slug}>
              <input type="radio" name="movie" checked={movie.slug === chosen} onChange={() => onChoose(movie.slug)} />
              <span className="title" title={movie.title}>
                {movie.title}
              </span>
              <Spark up={movie.up} down={movie.down} />
              <span className="total">
                <b>{number(sumOf(movie.day))}</b> <small>in 24 h</small>
              </span>
              <span className="share">
                <i className="sign positive">▲</i> {share(positive, positive + negative)}
              </span>
              <Balance counts={movie.day} />
            </label>
          );
        })}
      </fieldset>
    </nav>
  );
}

const WIDTH = 120;
const HEIGHT = 34;

/** The last hour, positive up and negative down. */
function Spark({ up, down }: { up: number[]; down: number[] }) {
  const top = Math.max(1, ...up, ...down);
  const most = Math.max(...up, 1);
  const least = Math.max(...down, 1);
  const zero = (HEIGHT * most) / (most + least);
  const scale = HEIGHT / Math.max(top, most + least);
  const area = (values: number[], sign: number) =>
    `M0 ${zero.toFixed(1)}` +
    values.map((v, i) => `L${((WIDTH * i) / (values.length - 1)).toFixed(1)} ${(zero + sign * v * scale).toFixed(1)}`).join("") +
    `L${WIDTH} ${zero.toFixed(1)}Z`;
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path className="positive" d={area(up, -1)} />
      <path className="negative" d={area(down, 1)} />
    </svg>
  );
}

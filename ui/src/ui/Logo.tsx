/** The snowflake of the product; decoration beside its name. */
export function Logo() {
  return <img className="logo" src="/favicon.svg" alt="" width={24} height={24} />;
}

/** Owns the types of the one module of noble that we load: it has none of its own. */
declare module '@abandonware/noble/with-custom-binding.js' {
  const make: import('./noble.ts').MakeNoble;
  export default make;
}

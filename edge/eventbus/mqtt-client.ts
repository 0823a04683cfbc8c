/** Owns mqtt.js for those who load it on demand: named exports of a CommonJS package get lost in a bundle's dynamic import. */
export { MqttClient, connectAsync } from 'mqtt';
